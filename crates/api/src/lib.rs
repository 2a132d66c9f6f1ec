//! REST, agent socket, OpenAPI and sign-in: the only place that knows the outside's JSON.
