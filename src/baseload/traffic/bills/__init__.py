"""Bills: what providers and gateways say was used and paid, read from their own exports.

file ──► records.py (CSV, JSON, JSON Lines: one record at a time)
     ──► openai.py · anthropic.py · logs.py · aws.py · google.py (record → lines)
     ──► Bill (bill.py: exact sums of tokens and dollars)
     ──► modelled.py (requests or a load shape: what the file lacks is modelled, and said)
     ──► reconcile.py (its dollars beside the catalog's, the difference explained)
"""
