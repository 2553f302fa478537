"""AWS Lambda entry points: parse the event, call one service, return."""
