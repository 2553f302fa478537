"""Settings: frozen, loaded once, validated with the place named in every error."""
