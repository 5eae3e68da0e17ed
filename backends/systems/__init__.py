"""Boards and racks of chips as data; see ../targets/README.md."""
