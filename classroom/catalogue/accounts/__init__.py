"""Who may sign in, with which rights; devices and their credentials; what was done by whom."""
