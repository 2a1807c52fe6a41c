// The path of this module is in the state of every stack that has an object. It cannot move.
import { awsObjectResource } from "../../../resources/aws/object.js";
import { dynamicProvider } from "../handler.js";

export = dynamicProvider(awsObjectResource);
