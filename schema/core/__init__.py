"""What every noun of the schema stands on."""
