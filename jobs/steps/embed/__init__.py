"""Parts of the job embed: what is pending, in which waves, and what the work came to."""
