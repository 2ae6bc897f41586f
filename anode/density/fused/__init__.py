"""The affine MAF in few, large operations."""
