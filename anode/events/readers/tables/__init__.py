"""Tables of one's own: CSV, Parquet, HDF5 datasets and ``.npz``."""
