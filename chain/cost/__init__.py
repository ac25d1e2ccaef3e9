"""Estimates what a day costs on Google Cloud.

Prices and measured rates are data with their date.
"""
