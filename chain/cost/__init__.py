"""What a day costs on Google Cloud: prices and measured rates as data with their date, and what they come to."""
