//! Table tests of the floor.
