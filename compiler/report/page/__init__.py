"""The report as one HTML file and as markdown: charts, templates, rendering. Needs the extra `report` (jinja2)."""
