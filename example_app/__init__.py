"""The example: departures from New York's three airports, kept true by kck_publish."""
