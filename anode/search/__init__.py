"""IS IT A DISCOVERY: spectra, significances, scans, and whether they can be trusted."""
