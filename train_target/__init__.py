"""What gets trained: programs that run in processes of their own. Nothing here is imported by the rest of Auto Wolf."""
