"""Search: windows, result, report, calibration."""
