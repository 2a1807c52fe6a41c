// The path of this module is in the state of every stack that has an instance. It cannot move.
import { instanceResource } from "../../../resources/instance.js";
import { dynamicProvider } from "../handler.js";

export = dynamicProvider(instanceResource);
