"""What happens to one photo and to one shard of photos; knows nothing of where it runs."""
