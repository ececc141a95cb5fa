"""What NVIDIA's families look at: GPUs, capabilities, the files of the driver."""
