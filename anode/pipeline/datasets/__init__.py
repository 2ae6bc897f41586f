"""Events: generate, cluster, fetch, describe."""
