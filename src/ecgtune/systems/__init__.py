"""Published systems: one module and one TOML each."""
