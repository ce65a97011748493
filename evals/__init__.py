"""Questions with known answers, and the numbers they give."""
