"""The Ray part: actors around the engine, and the pool that owns retries and deadlines."""
