"""What results have in common: tables, texts and plots."""
