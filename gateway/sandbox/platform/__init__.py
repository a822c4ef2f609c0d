"""The platform families (API page 3): what Cloud Elements answers of itself, without a provider behind it."""
