"""The station's page: what goes on now, what came by today and this week, and whether the station is well."""
