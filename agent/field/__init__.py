"""Work at one meter, live: a person with a probe or with their eyes, and what they are shown while it goes on."""
