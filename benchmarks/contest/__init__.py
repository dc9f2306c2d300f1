"""The pipeline beside what people write in its place: same photos, same model that sleeps, same S3 server."""
