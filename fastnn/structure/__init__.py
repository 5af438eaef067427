"""What a network is: its layers, the tables and the memory that kernels read."""
