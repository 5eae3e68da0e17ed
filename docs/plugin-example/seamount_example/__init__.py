"""An example plug-in of Seamount."""
