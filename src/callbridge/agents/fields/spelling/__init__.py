"""How letters, signs, days and times are said in each language: one module of data for each."""
