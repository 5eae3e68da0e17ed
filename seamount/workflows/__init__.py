"""What commands and the API do, without a console: load, compile, run, compare, price, report."""
