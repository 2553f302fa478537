"""The verified fakes: held to the same contract tests as the AWS adapters."""
