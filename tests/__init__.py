"""The tests: unit, integration, acceptance, properties, contracts."""
