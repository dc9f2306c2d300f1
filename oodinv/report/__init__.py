"""What people look at: contact sheets and run reports."""
