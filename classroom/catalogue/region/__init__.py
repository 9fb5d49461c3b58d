"""Districts, schools, classrooms, people; who teaches whom, when and where."""
