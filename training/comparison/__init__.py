"""What `training/compare.py` compares by: protocols, results, and the document made of them."""
