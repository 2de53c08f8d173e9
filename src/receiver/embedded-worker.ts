import { workerSource } from "./worker-source.ts" with { type: "macro" };

/** The receiver's thread as a module that imports nothing of this package. The build fills it in here. */
export const SOURCE: string = workerSource();
