"""Model bundles: a folder of `bundle.json` and safetensors files, and nothing else that loads in a run."""
