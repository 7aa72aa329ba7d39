"""How good labels are: EC57 comparison, metrics, intervals, and the `evaluate` job."""
