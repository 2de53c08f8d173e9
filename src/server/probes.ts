/** The probes of Kubernetes, which ask for the phase of the server. */

import { nativeServe } from "../bun/native-serve.ts";
import { errorLine } from "../report.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Load } from "./status.ts";

/**
 * Where Kubernetes's probes are answered.
 *
 * @example
 * const probes: ProbeOptions = { port: 0, hostname: "127.0.0.1" };
 * manageServer(Bun.serve({ port: 0, fetch: () => new Response("Hello\n") }), { probes });
 */
export interface ProbeOptions {
  /** The port that answers the probes. 0: a free port, which the kernel chooses. */
  port: number;
  /** Default: all addresses, because the kubelet asks from outside the container. */
  hostname?: string | undefined;
}

/** What the probes answer from. */
export interface Probed {
  state(): Lifecycle;
  load(): Load;
  /** Asks the hook `healthy`. */
  healthy(): Promise<unknown>;
}

/** What a probe found. The HTTP status is 200 if it is ok, else 503. */
export interface Finding {
  ok: boolean;
  why: string;
}

/**
 * Answers /livez, /readyz and /startupz on their own port. It does not keep the program alive.
 *
 * @throws what Bun.serve() throws, if the port is taken.
 */
export function serveProbes(options: ProbeOptions, probed: Probed): { url: URL; stop(): void } {
  const { port, hostname } = options;
  const server = nativeServe({
    port,
    ...(hostname === undefined ? {} : { hostname }),
    fetch: (request) => answer(request, probed),
  });
  server.unref();
  return { url: server.url, stop: () => void server.stop(true) };
}

/** Whether the server has started. Once it has, this stays true until its end. */
export function startupz(state: Lifecycle): Finding {
  return state.phase === "starting" ? { ok: false, why: whyNotReady(state) } : { ok: true, why: "started" };
}

/** Whether the server should get requests. */
export function readyz(state: Lifecycle): Finding {
  const isReady = state.phase === "ready" || state.phase === "reloading";
  return { ok: isReady, why: isReady ? state.where : whyNotReady(state) };
}

/** Whether the server is alive. It asks `healthy` only in phases in which the server should be healthy. */
export async function livez(state: Lifecycle, healthy: () => Promise<unknown>): Promise<Finding> {
  // Before the server listens and while it stops, the hook may say no. Killing the server would help nobody.
  if (state.phase === "starting" || state.phase === "stopping") return { ok: true, why: state.phase };
  const { promise: timeUp, resolve } = Promise.withResolvers<Finding>();
  const timer = setTimeout(resolve, ANSWER_MS, { ok: false, why: `healthy() has not answered for ${ANSWER_MS} ms` });
  try {
    return await Promise.race([ask(healthy), timeUp]);
  } finally {
    clearTimeout(timer);
  }
}

// --- internal ---

/** The kubelet waits for a second by default: timeoutSeconds of a probe. */
const ANSWER_MS = 900;

async function answer(request: Request, probed: Probed): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (request.method !== "GET" && request.method !== "HEAD") return new Response("only GET\n", { status: 405 });
  const state = probed.state();
  const finding = await find(pathname, state, probed);
  if (!finding) return new Response("there are /livez, /readyz and /startupz\n", { status: 404 });
  const options = { status: finding.ok ? 200 : 503, headers: { "cache-control": "no-store" } };
  if (!searchParams.has("verbose")) return new Response(`${finding.why}\n`, options);
  return Response.json({ ...finding, ...details(state), ...probed.load() }, options);
}

function find(pathname: string, state: Lifecycle, probed: Probed): Finding | Promise<Finding> | undefined {
  if (pathname === "/startupz") return startupz(state);
  if (pathname === "/readyz") return readyz(state);
  return pathname === "/livez" ? livez(state, probed.healthy) : undefined;
}

async function ask(healthy: () => Promise<unknown>): Promise<Finding> {
  try {
    const ok = (await healthy()) !== false;
    return { ok, why: ok ? "alive" : "healthy() says that it is not" };
  } catch (error) {
    return { ok: false, why: `healthy() failed: ${errorLine(error)}` };
  }
}

function whyNotReady(state: Lifecycle): string {
  if (state.phase === "stopping") return `stopping, by ${state.signal}`;
  if (state.phase === "starting") return state.warmingUp ? "starting" : "starting: it does not listen yet";
  return state.phase;
}

function details(state: Lifecycle): Record<string, unknown> {
  if (state.phase === "ready") return { phase: state.phase, status: state.shown, reloads: state.attempt };
  if (state.phase === "reloading") return { phase: state.phase, reloads: state.attempt };
  if (state.phase === "stopping") return { phase: state.phase, step: state.step, signal: state.signal };
  return { phase: state.phase };
}
