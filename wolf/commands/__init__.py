"""The commands of `wolf`, one file each; bigger ones have a folder beside this one."""
