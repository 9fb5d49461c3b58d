"""The built-in lesson: a teacher at the blackboard, her voice and her slides, all drawn and computed here."""
