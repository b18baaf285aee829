"""From result files of seandb-bench to one HTML page: results, then runs, then charts and tables."""
