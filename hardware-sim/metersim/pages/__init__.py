"""Pages as they go over the air: POCSAG (ITU-R M.584) as the audio of a discriminator, clean or as bad as asked."""
