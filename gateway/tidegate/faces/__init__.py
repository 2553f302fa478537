"""How the world talks to the gateway."""
