// The path of this module is in the state of every stack that has a snapshot. It cannot move.
import { snapshotResource } from "../../../resources/aws/snapshot.js";
import { dynamicProvider } from "../handler.js";

export = dynamicProvider(snapshotResource);
