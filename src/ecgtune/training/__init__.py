"""Networks, losses, estimators and export: everything that needs torch or scikit-learn."""
