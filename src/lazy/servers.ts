/**
 * What index.ts loads when a function for servers is called. It exports all of the library, so that whatever index.ts
 * has at once is shared, and index.ts holds no code of its own besides.
 */

export * from "../index.ts";
