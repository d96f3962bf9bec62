// Package rest is the registry over HTTP: the Schema Registry REST API as of
// its 8.x line, which clients of 7.x understand as well.
//
//	request ─▶ bound ─▶ path: slashes, /contexts/x/…, alias ─▶ route (Echo)
//	       ─▶ content types ─▶ decode ─▶ registry ─▶ bytes of the answer
//
// It promises routes, content types, the order and presence of members in every
// answer, and that every error is {"error_code":…,"message":…}. It decides
// nothing: what is found, allowed or compatible is the registry's business.
// Authentication, TLS and limits on connections are the caller's.
//
// A handler may be used concurrently. Echo does not show in the API.
package rest
