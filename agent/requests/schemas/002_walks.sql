-- Of a request with a route that is in the book of routes: which one, as JSON (`agent.requests.walk.Walk`).
-- `body` has the route itself only until then.
ALTER TABLE request ADD COLUMN walk BLOB;
