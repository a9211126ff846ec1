//! Tests of one socket, without sockets.
