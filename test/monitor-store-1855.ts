import { listenFds, notify, storeFds } from "sd-notify";

const passed = listenFds();
notify({ ready: true, status: passed.map(({ fd, name, kind }) => [fd, name, kind].join(" ")).join() || "none" });
if (passed.length > 0) process.exit();
storeFds([0], { name: "null" });
process.exit();
