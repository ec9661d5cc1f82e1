"""What is measured and drawn; `analysis.view` holds the page."""
